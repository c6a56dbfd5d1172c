# Build: bundle the program, then leave only what the program needs at run time.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Without install scripts: the only one would fetch a Node 24, and this image is one.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json build.ts ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

# Run: the compiled package, its production dependencies, nothing else.
FROM node:24-bookworm-slim
ENV NODE_ENV=production FLOCKWORK_DIR=/stateFiles
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY simpleStates ./simpleStates
COPY interestingStates ./interestingStates
# A named volume takes over this directory's owner, so that the user below may write to it.
RUN mkdir /stateFiles && chown node:node /stateFiles \
  && ln -s /app/dist/cli/main.js /usr/local/bin/flockwork
USER node
STOPSIGNAL SIGTERM
# `health` looks for up to half a lease (5 s, on a network volume 15 s) for a sign of life.
HEALTHCHECK --interval=30s --timeout=20s --start-period=30s CMD ["flockwork", "health"]
ENTRYPOINT ["flockwork"]
CMD ["worker"]
