import pg from 'pg';

interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

type QueryWithCopy = pg.Query & { handleCopyInResponse: (connection: CopyConnection) => void };

/** `copy … from stdin`, in a connection of its own: the driver has the messages for it, but no method. */
export async function copyIn(url: string, statement: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'test' });
  await client.connect();
  try {
    await new Promise<void>((resolve, reject) => {
      const query = new pg.Query(statement) as QueryWithCopy;
      query.handleCopyInResponse = (connection) => {
        connection.sendCopyFromChunk(Buffer.from(text));
        connection.endCopyFrom();
      };
      query.on('end', () => resolve());
      query.on('error', reject);
      client.query(query);
    });
  } finally {
    await client.end();
  }
}
