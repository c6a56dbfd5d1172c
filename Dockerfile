# Build: compile to JavaScript, and pack exactly what the npm package has.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json README.md LICENSE CHANGELOG.md ./
COPY schemas ./schemas
COPY src ./src
RUN npm run build && npm prune --omit=dev

# Run: the compiled package, its production dependencies, nothing else.
FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY simpleStates ./simpleStates
COPY interestingStates ./interestingStates
# A named volume takes over this directory's owner, so that the user below may write to it.
RUN mkdir /stateFiles && chown node:node /stateFiles
USER node
ENV FLOCKWORK_DIR=/stateFiles
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=30s \
  CMD ["node", "/app/dist/cli/main.js", "health"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["worker"]
