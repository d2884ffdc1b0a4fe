/** The store's orders go to the warehouse; what the warehouse makes of their status comes back. */
import { defineConfig, oneWay } from '../../src/index.ts'; // from 'snk' in your own project

export default defineConfig({
  nodes: {
    store: { url: process.env['STORE_URL'] },
    warehouse: { url: process.env['WAREHOUSE_URL'] },
  },
  links: [
    oneWay('store', 'warehouse', {
      flows: [
        {
          from: 'store_order',
          to: 'warehouse_order',
          on: ['insert'],
          write: 'insert',
          set: { status: 'updated status' },
          echo: true,
        },
      ],
    }),
    oneWay('warehouse', 'store', {
      flows: [
        {
          from: 'warehouse_order',
          to: 'store_order',
          on: ['insert', 'update'],
          where: "status <> 'some status'",
          columns: ['id', 'status'],
          write: 'update',
        },
      ],
    }),
  ],
});
