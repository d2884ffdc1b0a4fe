/** The main database: offices push people into it, and readers pull them out of it, each with a key of its own. */
// A type alone is imported: docker-compose.yml takes this file into its container as it is.
import type { UserConfig } from '../../src/index.ts'; // from 'snk' in your own project

export default {
  nodes: {
    main: { url: process.env['DATABASE_URL'], files: process.env['FILES'] },
    office: { keyed: true },
    reader: { keyed: true },
  },
  links: [
    {
      from: 'office',
      to: 'main',
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
    },
    {
      from: 'main',
      to: 'reader',
      on: ['insert', 'update', 'delete'],
      flows: [{ from: 'people', files: { photo: { dir: 'photos' } } }],
    },
  ],
  http: { listen: process.env['LISTEN'] ?? '127.0.0.1:8080', insecure: process.env['INSECURE'] === 'true' },
} satisfies UserConfig;
