/** Where the instances on a simulated volume are when a run is over. */
import { isStateName, parseStateName, stateName } from '../machine/name.ts';
import { parseFailureRecord } from '../machine/record.ts';
import { parseStateFile } from '../machine/state-file.ts';
import type { InstanceEnd, InstanceEnds } from './own-work.ts';
import { archivedState, type TrueVolume } from './true-volume.ts';

export function volumeEnds(volume: TrueVolume): InstanceEnds {
  const last = new Map<string, number>();
  for (const name of namesOf(volume)) {
    const { instance, step } = parseStateName(name)!;
    last.set(instance, Math.max(step, last.get(instance) ?? 0));
  }
  return new Map(
    Array.from(last, ([instance, step]) => [instance, endOf(volume, stateName(instance, step))]),
  );
}

function namesOf(volume: TrueVolume): string[] {
  const shards = volume.exists('archive') ? volume.list('archive') : [];
  return ['', ...shards.map((shard) => `archive/${shard}`)]
    .flatMap((directory) => volume.list(directory))
    .filter(isStateName);
}

function endOf(volume: TrueVolume, name: string): InstanceEnd {
  const content = volume.text(name) ?? volume.text(archivedState(name)) ?? '';
  const parsed = parseStateFile(new TextEncoder().encode(content));
  const failure = parseFailureRecord(volume.text(`failed/${name}`) ?? '', name);
  const open = failure === undefined ? 'waiting' : 'failed';
  return {
    name,
    flag: volume.isDone(name) ? 'done' : open,
    state: parsed.ok ? parsed.file.state : undefined,
    payload: parsed.ok ? parsed.file.payload : undefined,
    output: volume.recordOf(name)?.output,
    reason: failure?.reason,
  };
}
