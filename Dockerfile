# One that package.json's engines allows: the one that the tests run on.
ARG NODE=node:24.21.0-slim

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
RUN node scripts/build.ts

# What runs, and no more: the bundle has the libraries in it. The embedded PostgreSQL stays out, since
# a container's database lives elsewhere.
FROM ${NODE}
WORKDIR /app
COPY --from=build /app/dist dist
# It says that the bundle's files are ECMAScript modules.
COPY package.json LICENSE ./
# Reachable from outside the container, unlike the default. So it starts only with
# SESSIOND_CALLERS_FILE and TLS, or with a setting that does without (SESSIOND_INSECURE_...).
ENV NODE_ENV=production SESSIOND_HOST=0.0.0.0
USER node
EXPOSE 8480
# Liveness: it does not fail while the database is away, since a restart would not help.
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "dist/healthcheck.js"]
# Without a shell in between, so that SIGTERM reaches the process, which handles it. Stack traces
# name the lines of the TypeScript sources. The options for the heap are those of `npm start`.
ENTRYPOINT ["node", "--max-semi-space-size=16", "--heap-growing-percent=50", "--enable-source-maps", "dist/main.js"]
