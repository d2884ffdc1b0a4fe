/** The files of links that are served, for those whose key is bound to them. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FileAccess } from '../files/file-access.ts';
import type { Hub } from '../snk.ts';
import { HttpError } from './answers.ts';
import type { Door } from './door.ts';

export function filesBehind(
  hub: Hub,
  door: Door,
): (request: FastifyRequest, reply: FastifyReply, link: string) => Promise<FileAccess> {
  return async (request, reply, link) => {
    await door.demandKey(request, reply);
    const { name, links: bound } = door.holderOf(request);
    door.requireLink(request, hub.declared(name, link, bound)?.name ?? '');
    const access = hub.files(link);
    // After a restart of the hub: the node opens the link once more, and with it its files.
    if (access === null) throw new HttpError(409, { message: 'the link is to be opened first' });
    return access;
  };
}
