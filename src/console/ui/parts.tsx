/** Small parts: values of rows shown harmless, states, faults with their next step, and what stands where there is nothing. */
import type { ComponentChildren, JSX } from 'preact';
import type { Listed } from '../../http/console/wire.ts';
import type { ApiError } from '../api.ts';
import { leftOut } from '../model/left-out.ts';
import type { Level } from '../model/summary.ts';
import { short, visible } from '../model/visible.ts';

/** A value is text, whatever it holds; each stands for itself, in its own direction. */
export function Value({
  text,
  longest = null,
}: {
  readonly text: string | null | undefined;
  readonly longest?: number | null;
}): JSX.Element {
  if (text === undefined) return <span class="none">no row</span>;
  if (text === null) return <span class="none">NULL</span>;
  if (text === '') return <span class="none">empty</span>;
  const shown = longest === null ? text : short(text, longest);
  return (
    <bdi class="value" dir="auto">
      {visible(shown).map((part, i) => (part.mark ? <code key={i}>{part.text}</code> : part.text))}
    </bdi>
  );
}

export function Pill({
  level,
  children,
}: {
  readonly level: Level;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <span class="pill" data-level={level}>
      <i aria-hidden="true" />
      {children}
    </span>
  );
}

export interface FaultWords {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | null | undefined;
}

export function Fault({ error }: { readonly error: ApiError | FaultWords }): JSX.Element {
  return (
    <div class="fault" role="alert">
      <strong>{sentence(error.message)}</strong>
      {typeof error.hint === 'string' && <span>{error.hint}</span>}
      <code>{error.code}</code>
    </div>
  );
}

function sentence(text: string): string {
  const first = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?:)]$/.test(first) ? first : `${first}.`;
}

/** What to do, where there is nothing to show. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children !== undefined && <p>{children}</p>}
    </div>
  );
}

export function Heading({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <header class="heading">
      <h1 tabIndex={-1} id="title">
        {title}
      </h1>
      {children}
    </header>
  );
}

/** `id 7, place Rome` */
export function KeyText({
  names,
  values,
}: {
  readonly names?: readonly string[];
  readonly values: readonly (string | null)[];
}): JSX.Element {
  return (
    <span class="key">
      {values.map((value, i) => (
        <span key={i}>
          {names?.[i] !== undefined && <small>{names[i]} </small>}
          <Value text={value} longest={60} />
        </span>
      ))}
    </span>
  );
}

export function Loading(): JSX.Element {
  return (
    <div class="loading" role="status">
      Asking the databases …
    </div>
  );
}

/** What a list leaves out must not look as if there were nothing. */
export function LeftOut({
  list,
  noun,
}: {
  readonly list: Listed<unknown>;
  readonly noun: string;
}): JSX.Element {
  return (
    <>
      {leftOut(list, noun).map((line) => (
        <p key={line} class="muted">
          {line}
        </p>
      ))}
    </>
  );
}
