/** What is served for those who bring a key, as an OpenAPI document: made from the shapes that requests and answers are checked by (pure). */
import { z } from 'zod';
import { operations, protocol, shapes, unopened } from '../snk.ts';

/** What is served by one room: its paths, which name the schemas that they use. */
export type OpenApiPart = (schemas: Schemas) => Readonly<Record<string, object>>;

export const httpProblem = z.object({ code: z.string(), message: z.string() });
const refusal = httpProblem.extend({
  hint: z.string().nullable(),
  fate: z.enum(['retry', 'stop-link', 'stop-process']).describe('What the node makes of it.'),
  operation: z.string(),
});

/** What has a name, and is spoken of by it. */
export class Schemas {
  readonly #registry = z.registry<{ id: string }>();

  constructor(named: Readonly<Record<string, z.ZodType>>) {
    for (const [name, shape] of Object.entries(named)) this.refer(name, shape);
  }

  /** A reference; the name is taken where the shape has none. */
  refer(name: string, shape: z.ZodType): object {
    if (!this.#registry.has(shape)) this.#registry.add(shape, { id: capital(name) });
    return { $ref: uri(this.#registry.get(shape)?.id ?? '') };
  }

  /** As whoever sends it is to know it. */
  get all(): Record<string, object> {
    const { schemas } = z.toJSONSchema(this.#registry, { io: 'input', uri });
    return Object.fromEntries(
      Object.entries(schemas).map(([name, { $schema, $id, ...schema }]) => {
        void [$schema, $id];
        return [name, schema];
      }),
    );
  }
}

const uri = (id: string): string => `#/components/schemas/${id}`;
const capital = (name: string): string =>
  name.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());

const json = (schema: object): object => ({ content: { 'application/json': { schema } } });

const ends = {
  source: 'Of a link whose source is the hub’s.',
  target: 'Of a link whose target is the hub’s.',
  either: 'Of any link.',
} as const;

const refusals = {
  400: 'The body is not what is described here; the message has the path to what is wrong.',
  401: 'No key, or one that is not good.',
  403: 'The key is not bound to that link.',
  413: 'The body is too large.',
  429: 'Too many wrong keys from that address, or too many requests at once; see retry-after.',
  503: 'Not now; see retry-after.',
} as const;

export function openApiDocument(parts: readonly OpenApiPart[]): object {
  const schemas = new Schemas({ httpProblem, refusal, ...shapes });
  const paths = Object.assign({}, ...parts.map((part) => part(schemas))) as object;
  return {
    openapi: '3.1.0',
    info: {
      title: 'SNK, hub and nodes',
      version: String(protocol),
      description:
        'What a node asks of a hub to work a link one end of which is the hub’s. Bodies may be compressed with gzip or zstd; an ' +
        'answer comes compressed with gzip to those who accept it. Whatever is asked may be asked again: the pair of generation ' +
        'and nonce tells a hub what it has done already.',
    },
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: "As 'snk keys create' prints it." },
      },
      schemas: schemas.all,
    },
  };
}

/** The operations of links. */
export const linkPart: OpenApiPart = (schemas) =>
  Object.fromEntries(
    Object.entries(operations).map(([name, { end, says, request, answer }]) => {
      const isUnopened = name === 'open' || (unopened as readonly string[]).includes(name);
      const post = {
        operationId: name,
        summary: says,
        description: `${ends[end]}${isUnopened ? '' : ' The link has been opened.'}`,
        parameters: [linkParameter, ...(isUnopened ? [] : [sessionParameter])],
        requestBody: { required: true, ...json(schemas.refer(`${name}-request`, request)) },
        responses: {
          200: { description: 'Done.', ...json(schemas.refer(`${name}-answer`, answer)) },
          409: { description: 'It cannot be done; why is said.', ...json(schemas.refer('refusal', refusal)) },
          ...refusedBefore(schemas),
        },
      };
      return [`/v1/links/{link}/${name}`, { post }];
    }),
  );

/** What is answered whatever was asked for. */
export function refusedBefore(schemas: Schemas): object {
  const schema = schemas.refer('httpProblem', httpProblem);
  return Object.fromEntries(
    Object.entries(refusals).map(([status, description]) => [status, { description, ...json(schema) }]),
  );
}

export const linkParameter = {
  name: 'link',
  in: 'path',
  required: true,
  description: 'Named as the hub names it, the end of the node by the name of its key: main->lyon.',
  schema: { type: 'string' },
} as const;

const sessionParameter = {
  name: 'snk-session',
  in: 'header',
  required: true,
  description: 'As `open` answers it.',
  schema: { type: 'string', format: 'uuid' },
} as const;
