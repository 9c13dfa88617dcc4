# One that package.json's engines allows: the one that the tests run on.
ARG NODE=node:24.21.0-slim

# Compiles. The lock file pins the compiler; the generated code is in the repository.
FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY gen gen
COPY packages packages
COPY src src
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json

# What runs, and no more. The embedded PostgreSQL is an optional dependency and stays out: a
# container's database lives elsewhere.
FROM ${NODE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev --omit=optional

FROM ${NODE}
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY LICENSE ./
# Reachable from outside the container, unlike the default.
ENV NODE_ENV=production SESSIOND_HOST=0.0.0.0
USER node
EXPOSE 8480
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "dist/src/healthcheck.js"]
# Without a shell in between, so that SIGTERM reaches the process, which handles it. Stack traces
# name the lines of the TypeScript sources.
ENTRYPOINT ["node", "--enable-source-maps", "dist/src/main.js"]
