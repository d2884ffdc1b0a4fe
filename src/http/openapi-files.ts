/** The files of links in the OpenAPI document (pure). */
import { z } from 'zod';
import { fileQuestions } from './file-routes.ts';
import { httpProblem, linkParameter, refusedBefore, type OpenApiPart } from './openapi.ts';

const content = z.object({ sha256: z.string(), size: z.number().int() });
const offer = z.union([z.object({ name: z.string() }), z.object({ from: z.number().int() }), httpProblem]);

const bytes = { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } };

/** Contents come as frames, one after the other: see src/files/frames.ts. */
const questions = {
  find: {
    says: 'What the files of some names hold, by their hashes.',
    answer: z.object({ found: z.array(z.union([content, httpProblem])) }),
  },
  read: {
    says: 'Contents, from where one who asks has come to: as much as fits into one answer.',
    answer: null,
  },
  offer: {
    says: 'How far each of some contents is there already.',
    answer: z.object({ offers: z.array(offer) }),
  },
  place: { says: 'Gives contents that are there their names.', answer: z.object({ offers: z.array(offer) }) },
} as const;

export const filePart: OpenApiPart = (schemas) => {
  const json = (name: string, shape: z.ZodType): object => ({
    content: { 'application/json': { schema: schemas.refer(name, shape) } },
  });
  const post = (name: string, says: string, asked: object, answered: object): [string, object] => [
    `/v1/links/{link}/files/${name}`,
    {
      post: {
        operationId: `files-${name}`,
        summary: says,
        parameters: [linkParameter],
        requestBody: { required: true, ...asked },
        responses: {
          200: { description: 'Done.', ...answered },
          404: {
            description: 'There is nothing of the kind at this end of the link.',
            ...json('http-problem', httpProblem),
          },
          409: { description: 'No page has told of these names.', ...json('http-problem', httpProblem) },
          ...refusedBefore(schemas),
        },
      },
    },
  ];
  return Object.fromEntries([
    ...Object.entries(questions).map(([name, { says, answer }]) =>
      post(
        name,
        says,
        json(`files-${name}-request`, fileQuestions[name as keyof typeof fileQuestions]),
        answer === null ? bytes : json(`files-${name}-answer`, answer),
      ),
    ),
    post(
      'parts',
      'Brings parts of contents that have been offered.',
      bytes,
      json('files-parts-answer', z.object({})),
    ),
  ]);
};
