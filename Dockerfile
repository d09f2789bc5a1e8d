# Build:  docker build -t syncd .
# Run:    docker run --read-only --tmpfs /tmp -v "$PWD/config:/config:ro" -v syncd-data:/data --env-file secrets.env syncd
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY syncd ./syncd
COPY connectors ./connectors
COPY mappings ./mappings
COPY config ./config
RUN python3 -m venv /opt/syncd \
    && /opt/syncd/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt . \
    && /opt/syncd/bin/python -m compileall -q /opt/syncd/lib

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="syncd" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 syncd && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin syncd \
    && mkdir -p /data /config && chown syncd:syncd /data
COPY --from=build /opt/syncd /opt/syncd
ENV PATH="/opt/syncd/bin:$PATH" SYNCD_CONFIG=/config PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A relative database path such as data/syncd.db is taken from here: it lies in the volume.
WORKDIR /
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["syncd"]
CMD ["serve"]
