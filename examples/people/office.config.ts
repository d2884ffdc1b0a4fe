/** An office: its people go to the main database, which it reaches over HTTP and with its key alone. */
import { defineConfig, oneWay } from '../../src/index.ts'; // from 'snk' in your own project

const name = process.env['NAME'] ?? ''; // the name of the key is the name of the node

export default defineConfig({
  nodes: {
    main: { hub: process.env['HUB'], key: process.env['KEY'] },
    [name]: { url: process.env['DATABASE_URL'], files: process.env['FILES'] },
  },
  links: [
    oneWay(name, 'main', {
      on: ['insert', 'update', 'delete'],
      flows: [
        {
          from: 'person',
          to: 'people',
          identity: { key: 'id', writeBack: 'primary_id' },
          synced: 'is_sync',
          files: { photo: { dir: 'photos' } },
        },
      ],
    }),
  ],
});
