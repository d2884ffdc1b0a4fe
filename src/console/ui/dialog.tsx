/** Dialogs: the browser's own, which keep the focus and close on Escape; one that asks before something is done. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useAct } from './hooks.ts';
import { Fault } from './parts.tsx';

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}

export function Dialog({ title, onClose, wide = false, children }: DialogProps): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header class="dialog-head">
        <h2 id={heading}>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

export interface Question {
  readonly title: string;
  readonly text: string;
  /** What the button says: `Delete`. */
  readonly verb: string;
  readonly danger?: boolean;
  readonly work: () => Promise<unknown>;
  /** What is said when it is done. */
  readonly done: string;
}

let ask: (question: Question | null) => void = () => undefined;
let say: (text: string) => void = () => undefined;

/** Shows the question; its work is done when somebody says yes. */
export function confirm(question: Question): void {
  ask(question);
}

/** Said aloud, and shown for a while. */
export function tell(text: string): void {
  say(text);
}

/** Stands once in the page, and shows what `confirm` and `tell` are called with. */
export function Voices(): JSX.Element {
  const [question, setQuestion] = useState<Question | null>(null);
  const [said, setSaid] = useState('');
  ask = setQuestion;
  say = setSaid;
  useEffect(() => {
    if (said === '') return undefined;
    const timer = setTimeout(() => setSaid(''), 6_000);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <>
      {question !== null && <Confirm question={question} onClose={() => setQuestion(null)} />}
      <div class="toast" role="status" aria-live="polite" data-shown={said !== ''}>
        {said}
      </div>
    </>
  );
}

function Confirm({ question, onClose }: { question: Question; onClose: () => void }): JSX.Element {
  const { title, text, verb, danger = false, work, done } = question;
  const act = useAct();
  const go = async (): Promise<void> => {
    if (!(await act.run(work))) return;
    onClose();
    tell(done);
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p class="dialog-text">{text}</p>
      {act.error !== null && <Fault error={act.error} />}
      <footer class="dialog-foot">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          class={danger ? 'danger' : 'primary'}
          disabled={act.busy}
          onClick={() => void go()}
        >
          {verb}
        </button>
      </footer>
    </Dialog>
  );
}
