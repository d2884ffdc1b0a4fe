# SNK as an image: `docker build -t snk .`, then `docker run --env SNK_A_URL=… --env SNK_B_URL=… snk run`.
# A configuration file is looked for in /config; it may import { defineConfig } from 'snk'.

FROM node:24-bookworm-slim AS build
WORKDIR /opt/snk
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY migrations migrations
COPY src src
RUN npm run build

# What runs needs neither the tools nor the throw-away servers of `snk demo`.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /opt/snk
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev --omit=optional

FROM node:24-bookworm-slim
ENV NODE_ENV=production
COPY --from=dependencies /opt/snk /opt/snk
COPY --from=build /opt/snk/dist /opt/snk/dist
COPY LICENSE /opt/snk/
RUN ln -s /opt/snk/dist/src/cli/snk.js /usr/local/bin/snk \
 && ln -s /opt/snk/dist/src/tst/tst.js /usr/local/bin/tst \
 && mkdir /node_modules /config \
 && ln -s /opt/snk /node_modules/snk
WORKDIR /config
USER 65532:65532
# The exec form: node is process 1 and gets SIGTERM itself.
ENTRYPOINT ["snk"]
CMD ["run"]
