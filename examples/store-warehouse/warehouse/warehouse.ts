/** The warehouse: an application of its own. `DATABASE_URL=postgres://… node warehouse.ts` */
import { serve } from '../api/serve.ts';
import { Order } from './order.ts';
import { warehouseRoutes } from './routes.ts';

await serve({ name: 'warehouse', entities: [Order], routes: warehouseRoutes });
