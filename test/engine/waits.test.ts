/** What ends each way to wait, and what is left behind: hints, timers. */
import { describe, expect, test } from 'vitest';
import { hintsOf, Alarm, type NoteChange } from '../../src/engine/waits.ts';
import { VirtualTime } from '../volume/operations/virtual-time.ts';

class Source {
  note: NoteChange = () => undefined;
  isOpen = false;

  readonly subscribe = async (note: NoteChange): Promise<() => void> => {
    [this.note, this.isOpen] = [note, true];
    return () => void (this.isOpen = false);
  };
}

const turn = (): Promise<void> => new Promise(setImmediate);

describe('hints', () => {
  test('are given once each, in the order of the changes', async () => {
    const source = new Source();
    const hints = hintsOf(source.subscribe, new AbortController().signal);
    const first = hints.next();
    await turn();
    for (const instance of ['b', 'a', 'b']) source.note(instance);
    expect([await first, await hints.next()].map(({ value }) => value as object)).toEqual([
      { instance: 'b' },
      { instance: 'a' },
    ]);
    const next = hints.next();
    await turn();
    source.note();
    source.note('a');
    expect((await next).value).toEqual({});
  });

  test('of very many changes are one, that anything may have changed', async () => {
    const source = new Source();
    const abort = new AbortController();
    const hints = hintsOf(source.subscribe, abort.signal);
    const first = hints.next();
    await turn();
    for (let index = 0; index < 100_000; index += 1) source.note(`i${index}`);
    expect((await first).value).toEqual({});
    const last = hints.next();
    await turn();
    abort.abort();
    expect((await last).done).toBe(true);
  });

  test('unsubscribe when their reader leaves the loop, or their signal aborts', async () => {
    const source = new Source();
    const abort = new AbortController();
    setImmediate(() => source.note('a'));
    for await (const hint of hintsOf(source.subscribe, abort.signal)) {
      expect({ hint, isOpen: source.isOpen }).toEqual({ hint: { instance: 'a' }, isOpen: true });
      break;
    }
    expect(source.isOpen).toBe(false);
    const last = hintsOf(source.subscribe, abort.signal).next();
    await turn();
    expect(source.isOpen).toBe(true);
    abort.abort();
    expect((await last).done).toBe(true);
    expect(source.isOpen).toBe(false);
  });

  test('unsubscribe as soon as their signal aborts, while their reader does something else', async () => {
    const source = new Source();
    const abort = new AbortController();
    const hints = hintsOf(source.subscribe, abort.signal);
    const first = hints.next();
    await turn();
    source.note('a');
    expect((await first).value).toEqual({ instance: 'a' });
    source.note('b');
    abort.abort();
    expect(source.isOpen).toBe(false);
    expect((await hints.next()).done).toBe(true);
  });

  test('subscribe nowhere if their signal has aborted', async () => {
    const source = new Source();
    const hints = hintsOf(source.subscribe, AbortSignal.abort());
    expect((await hints.next()).done).toBe(true);
    expect(source.isOpen).toBe(false);
  });
});

describe('Alarm', () => {
  const start = (): { time: VirtualTime; alarm: Alarm; rung: number[]; from: number } => {
    const time = new VirtualTime();
    const from = time.clock.monotonic();
    const rung: number[] = [];
    const alarm = new Alarm(time.clock, () => rung.push(time.clock.monotonic() - from));
    return { time, alarm, rung, from };
  };

  test('rings once, at the earliest of its times', async () => {
    const { time, alarm, rung, from } = start();
    alarm.set(from + 300);
    alarm.set(from + 100);
    alarm.set(from + 200);
    await time.pass(1000);
    expect(rung).toEqual([100]);
    alarm.set(from + 1100);
    await time.pass(1000);
    expect(rung).toEqual([100, 1100]);
  });

  test('does not ring when it was cleared, and never for an infinite time', async () => {
    const { time, alarm, rung, from } = start();
    alarm.set(from + 100);
    alarm.clear();
    alarm.set(Number.POSITIVE_INFINITY);
    await time.pass(1000);
    expect(rung).toEqual([]);
  });

  test('rings for a time that is past, but not at once', async () => {
    const { time, alarm, rung } = start();
    alarm.set(Number.NEGATIVE_INFINITY);
    expect(rung).toEqual([]);
    await time.pass(10);
    expect(rung).toHaveLength(1);
  });
});
