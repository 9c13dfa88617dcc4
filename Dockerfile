# One that package.json's engines allows: the one that the tests run on, by the digest of its list of platforms.
ARG NODE=node:24.21.0-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

# Bundles. The lock file pins the bundler and the libraries; the generated code is in the repository.
FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY scripts/build.ts scripts/
COPY gen gen
COPY packages packages
COPY clients/typescript/src clients/typescript/src
COPY src src
# The commit, for the label and the metrics: docker build --build-arg REVISION=$(git rev-parse HEAD)
ARG REVISION=unknown
RUN BUILD_COMMIT="$REVISION" node scripts/build.ts

# What runs, and no more: the bundle has the libraries in it. The embedded PostgreSQL stays out, since
# a container's database lives elsewhere.
FROM ${NODE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sessiond"
LABEL org.opencontainers.image.description="A login-session service for backends: opens, checks, extends and ends their users' sessions over gRPC."
LABEL org.opencontainers.image.source="https://github.com/sessiond/sessiond"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="0.1.0"
LABEL org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
COPY --from=build /app/dist dist
# It says that the bundle's files are ECMAScript modules.
COPY package.json LICENSE ./
# Reachable from outside the container, unlike the default. So it starts only with
# SESSIOND_CALLERS_FILE and TLS, or with a setting that does without (SESSIOND_INSECURE_...).
ENV NODE_ENV=production SESSIOND_HOST=0.0.0.0 SESSIOND_METRICS_PORT=9464
# The user `node`, by its number: Kubernetes cannot tell from a name that it is not root. Nothing is written,
# so the root file system can be read-only, and no capability is needed.
USER 1000:1000
EXPOSE 8480 9464
# Liveness: it does not fail while the database is away, since a restart would not help.
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "dist/healthcheck.js"]
# Without a shell in between, so that SIGTERM reaches the process, which handles it. Stack traces
# name the lines of the TypeScript sources. The options for the heap are those of `npm start`.
ENTRYPOINT ["node", "--max-semi-space-size=16", "--heap-growing-percent=50", "--enable-source-maps", "dist/main.js"]
