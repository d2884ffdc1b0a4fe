/** No sync at all: the limit for the writers. */
import { always, type Peer } from './peer.ts';

export const bare: Peer = {
  name: 'bare',
  skip: always,
  start: async () => ({ pids: [], synced: async () => true, stop: async () => {} }),
  remove: async () => {},
};
