/** A reader: it has all people of the main database, which it reaches over HTTP and with its key alone. */
import { defineConfig, oneWay } from '../../src/index.ts'; // from 'snk' in your own project

const name = process.env['NAME'] ?? ''; // the name of the key is the name of the node

export default defineConfig({
  nodes: {
    main: { hub: process.env['HUB'], key: process.env['KEY'] },
    [name]: { url: process.env['DATABASE_URL'], files: process.env['FILES'] },
  },
  links: [
    oneWay('main', name, {
      on: ['insert', 'update', 'delete'],
      flows: [{ from: 'people', files: { photo: { dir: 'photos' } } }],
    }),
  ],
});
