/** The store: an application of its own. `DATABASE_URL=postgres://… node store.ts` */
import { serve } from '../api/serve.ts';
import { Order } from './order.ts';
import { storeRoutes } from './routes.ts';

await serve({ name: 'store', entities: [Order], routes: storeRoutes });
