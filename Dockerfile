# Two stages: the compiler, and nothing but the binary. It needs neither a shell nor a libc, and has no base image
# whose faults it would inherit. There is no `# syntax=` line: it would make BuildKit pull a frontend first.
ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-slim-bookworm AS build
WORKDIR /src
COPY . .
# With --target, since proc macros cannot be built as static code.
RUN RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --release --locked --bin edgeway --target "$(uname -m)-unknown-linux-gnu" \
    && cp "target/$(uname -m)-unknown-linux-gnu/release/edgeway" /edgeway

FROM scratch
COPY --from=build /edgeway /usr/local/bin/edgeway
# No name stands for it, as there is no /etc/passwd; Kubernetes' runAsNonRoot wants the number.
USER 65532:65532
# So that the port can be published; `edgeway healthcheck` asks 127.0.0.1, which this covers.
ENV EDGEWAY_ADMIN_ADDRESS=0.0.0.0:9901
EXPOSE 8080 9901
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["/usr/local/bin/edgeway", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/edgeway"]
CMD ["run"]
