/** Operations are reported: finished things under other names and without secrets, into a database of the analysts. */
import { defineConfig, oneWay } from '../../src/index.ts'; // from 'snk' in your own project

export default defineConfig({
  nodes: {
    operations: { url: process.env['OPERATIONS_URL'] },
    reporting: { url: process.env['REPORTING_URL'] },
  },
  links: [
    oneWay('operations', 'reporting', {
      on: ['insert', 'update', 'delete'],
      flows: [
        { from: 'station', to: 'report.place', columns: ['id', 'name', 'city'] },
        {
          from: 'tariff',
          to: 'report.price',
          columns: { code: 'id', cents_per_minute: 'cents_per_minute' },
          set: { currency: 'EUR' },
        },
        {
          from: 'bike',
          to: 'report.fleet',
          columns: { model: 'model', in_service_since: 'bought_on' },
          where: 'retired_on is null',
        },
        { from: 'bike_part', to: 'report.fitting' },
        {
          from: 'customer',
          to: 'report.rider',
          columns: ['id', 'country'],
          set: { year_of_birth: { sql: 'extract(year from born_on)::integer' } },
        },
        {
          from: 'rental',
          to: 'report.ride',
          columns: {
            id: 'id',
            bike_id: 'bike_id',
            rider_id: 'customer_id',
            price_code: 'tariff_id',
            place_id: 'end_station_id',
            ended_at: 'ended_at',
          },
          set: { minutes: { sql: 'ceil(extract(epoch from ended_at - started_at) / 60)::integer' } },
          where: 'ended_at is not null',
        },
        {
          from: 'payment',
          to: 'report.revenue',
          columns: { payment_id: 'id', ride_id: 'rental_id', amount: 'amount' },
          where: "state = 'paid'",
        },
        {
          from: 'repair',
          to: 'report.maintenance',
          columns: ['id', 'bike_id', 'cost'],
          where: 'closed_at is not null and cost > 0',
        },
      ],
    }),
  ],
});
