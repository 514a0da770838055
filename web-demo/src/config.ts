/** What the page's server says of the world: where the API is, and how many backends it may take down. */
export interface Config {
  readonly api: string;
  /** Absent where the page's server runs alone, without backends of its own. */
  readonly backends: number | null;
}

export async function loadConfig(): Promise<Config> {
  const answer = await fetch("/config.json");
  if (!answer.ok) throw new Error(`the page's own server answered ${answer.status} for /config.json`);
  return (await answer.json()) as Config;
}
