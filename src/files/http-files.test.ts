import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { HttpFiles } from './http-files.ts';

/** Asks one who answers everything so. */
async function asked(status: number, body: string): Promise<unknown> {
  const server = createServer((request, reply) => {
    request.resume().once('end', () => reply.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const files = new HttpFiles({ url, headers: () => ({}), tries: 1 });
  return await files
    .find([{ dir: 'pictures', name: 'ada.jpg', maxBytes: 1 }])
    .catch((error: unknown) => error);
}

test.each([302, 401, 403, 407, 413])(
  'what somebody in between says with %i in the place of a hub stops no link',
  async (status) => {
    for (const body of ['<html>log in</html>', '{"error":"log in"}'])
      expect(await asked(status, body)).toMatchObject({ code: 'SNK_UNREACHABLE', fate: 'retry' });
  },
);

test.each([
  [401, 'SNK_KEY'],
  [403, 'SNK_KEY_LINK'],
  [400, 'SNK_HUB_REFUSED'],
])('what the hub itself refuses with %i does: %s', async (status, code) => {
  expect(await asked(status, '{"code":"SNK_HTTP_X","message":"no"}')).toMatchObject({
    code,
    fate: 'stop-link',
  });
});
