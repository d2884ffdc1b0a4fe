/**
 * How the values of a column travel: as the elements of a binary array, which neither server prints nor parses and
 * Node never looks into (pure). A type whose binary form means the same in every database carries itself; every
 * other one is carried by its text.
 */
import type { Column } from './catalog.ts';

/** Bytes before the first element: number of dimensions, flags, type of the elements, length, lower bound. */
const headerBytes = 20;

/** What arrives is a string, and one of 2^29 characters ends the process; encoded elements are a third longer than they are. */
export const mostBytes = { text: 530_000_000, binary: 390_000_000 } as const;

/** The column's values of `alias` as its carrier has them. */
export function carried(column: Column, alias: string): string {
  const value = `${alias}.${column.quoted}`;
  return column.carrier === 'text' ? `${value}::text` : value;
}

export function carriesItself(column: Column): boolean {
  return column.carrier === column.baseType;
}

/** An array as `bytea`; null of null. */
export function sent(array: string): string {
  return `array_send(${array})`;
}

/** The elements alone of an array that is sent: several of them, one after the other, are one. */
export function elementsOf(sentArray: string): string {
  return `substr(${sentArray}, ${headerBytes + 1})`;
}

/** The type of its elements, as it stands in the header: what typeText gives, if the column is what it was. */
export function elementType(sentArray: string): string {
  return `encode(substr(${sentArray}, 9, 4), 'hex')`;
}

export function typeText(column: Column): string {
  return column.carrierOid.toString(16).padStart(8, '0');
}

/** Elements as the driver can take them; it would read binary answers as if they were text. */
export function encoded(elements: string): string {
  return `encode(${elements}, 'base64')`;
}

/** `count` encoded elements → a binary array, to be bound as `carrier[]`. */
export function toArray(elements: string, column: Column, count: number): Buffer {
  // The text has line breaks, so this is a little more than is needed.
  const array = Buffer.allocUnsafe(headerBytes + Math.ceil((elements.length * 3) / 4));
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(column.carrierOid, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array.subarray(0, headerBytes + array.write(elements, headerBytes, 'base64'));
}
