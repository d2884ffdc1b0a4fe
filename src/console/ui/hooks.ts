/** What every part of the page does alike: ask, ask again, and do something while a button waits. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../api.ts';

export interface Asked<Result> {
  readonly value: Result | null;
  readonly error: ApiError | null;
  readonly reload: () => void;
}

function errorOf(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  return new ApiError(0, {
    code: 'SNK_CONSOLE',
    message: thrown instanceof Error ? thrown.message : 'unknown',
  });
}

/** Asks when `when` changes, and every `every` milliseconds while somebody looks; the last answer stays meanwhile. */
export function useAsked<Result>(
  ask: () => Promise<Result>,
  when: readonly unknown[],
  every: number | null = null,
): Asked<Result> {
  const [state, setState] = useState<Omit<Asked<Result>, 'reload'>>({ value: null, error: null });
  const [turn, setTurn] = useState(0);
  const asking = useRef(ask);
  asking.current = ask;
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (): void => {
      if (every !== null && !isOver) timer = setTimeout(() => void look(), every);
    };
    const look = async (): Promise<void> => {
      if (document.hidden) return again();
      try {
        const value = await asking.current();
        if (!isOver) setState({ value, error: null });
      } catch (error) {
        if (!isOver) setState((before) => ({ ...before, error: errorOf(error) }));
      }
      again();
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [...when, every, turn]);
  return { ...state, reload: useCallback(() => setTurn((before) => before + 1), []) };
}

export interface Acting {
  readonly busy: boolean;
  readonly error: ApiError | null;
  /** Returns whether it went well. */
  readonly run: (work: () => Promise<unknown>) => Promise<boolean>;
  readonly clear: () => void;
}

export function useAct(): Acting {
  const [state, setState] = useState<{ busy: boolean; error: ApiError | null }>({ busy: false, error: null });
  const run = useCallback(async (work: () => Promise<unknown>): Promise<boolean> => {
    setState({ busy: true, error: null });
    try {
      await work();
      setState({ busy: false, error: null });
      return true;
    } catch (error) {
      setState({ busy: false, error: errorOf(error) });
      return false;
    }
  }, []);
  const clear = useCallback(() => setState({ busy: false, error: null }), []);
  return { ...state, run, clear };
}
