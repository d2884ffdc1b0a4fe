/** An order as the warehouse keeps it, and what a caller may say of one. */
import { defineEntity, p } from '@mikro-orm/core';
import { text } from '../api/door.ts';

export const Order = defineEntity({
  name: 'Order',
  tableName: 'warehouse_order',
  properties: {
    id: p.string().length(128).primary(),
    amount: p.integer(),
    price: p.double(),
    comment: p.text().nullable(),
    createdAt: p.datetime().columnType('timestamptz').defaultRaw('now()'),
    updatedAt: p
      .datetime()
      .columnType('timestamptz')
      .defaultRaw('now()')
      .onUpdate(() => new Date()),
    status: p.string().length(128).default('some status').index(),
  },
});

const key = { ...text, minLength: 1, maxLength: 128 };

const fields = {
  amount: { type: 'integer', minimum: 0, maximum: 2_147_483_647 },
  price: { type: 'number', minimum: 0 },
  comment: { ...text, type: ['string', 'null'] },
  status: { ...text, maxLength: 128 },
} as const;

export interface Fields {
  amount: number;
  price: number;
  comment?: string | null;
  status?: string;
}

export type NewOrder = Fields & { id: string };

export const newOrder = {
  type: 'object',
  properties: { id: key, ...fields },
  required: ['id', 'amount', 'price'],
  additionalProperties: false,
};

export const change = { type: 'object', properties: fields, minProperties: 1, additionalProperties: false };

export const byKey = { type: 'object', properties: { id: key } };
