import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { DiagnosticsService, type StatsResponse } from "../gen/ecommerce/v1/diagnostics_pb";

/** What all backends together say of one method. */
export interface Tally {
  readonly backends: number;
  readonly started: number;
  readonly finished: number;
  readonly cancelled: number;
  /** Calls that the backends still work for. */
  readonly open: number;
}

/**
 * Asks backends for their counters. Each answer is that of one backend, as the balancer chose, so it asks until all have
 * answered, or twenty answers in a row brought no new one: where their number is not known, and while one is busier than
 * the others, which the balancer leaves alone.
 */
export async function tally(api: string, method: string, expected: number | null): Promise<Tally> {
  const client = createClient(DiagnosticsService, createGrpcWebTransport({ baseUrl: api }));
  const seen = new Map<string, StatsResponse>();
  for (let asked = 0, repeated = 0; asked < 100 && repeated < 20; asked += 1) {
    const stats = await client.stats({}, { timeoutMs: 5000 });
    repeated = seen.has(stats.name) ? repeated + 1 : 0;
    seen.set(stats.name, stats);
    if (seen.size === expected) break;
  }
  const counters = [...seen.values()].map((stats) => stats.methods[method]);
  const sum = (field: "started" | "finished" | "cancelled") =>
    counters.reduce((total, counter) => total + Number(counter?.[field] ?? 0), 0);
  const [started, finished, cancelled] = [sum("started"), sum("finished"), sum("cancelled")];
  return { backends: seen.size, started, finished, cancelled, open: started - finished - cancelled };
}
