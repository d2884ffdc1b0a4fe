/** Two offices work on the same tables: whatever one of them does is done at the other. */
import { defineConfig, twoWay } from '../../src/index.ts'; // from 'snk' in your own project

export default defineConfig({
  nodes: {
    oslo: { url: process.env['OSLO_URL'] },
    lima: { url: process.env['LIMA_URL'] },
  },
  links: [
    twoWay('oslo', 'lima', {
      tables: ['customer', 'project', 'task', 'worked'],
      on: ['insert', 'update', 'delete'],
    }),
  ],
});
