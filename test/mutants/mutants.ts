/** Mistakes that the simulator has to find: each is one place of the source, and what it might have said. */
import type { Mutant } from './hook.ts';

export interface NamedMutant extends Mutant {
  readonly name: string;
}

const VOLUME = 'src/volume';

export const MUTANTS: readonly NamedMutant[] = [
  {
    name: 'whatever lies in waiting/ is taken for a state that waits',
    file: `${VOLUME}/snapshot.ts`,
    find: 'listings.list(directory, isStateName)',
    replace: 'listings.list(directory)',
  },
  {
    name: 'an entry that cannot be dealt with keeps everybody from the rest',
    file: `${VOLUME}/pass-over.ts`,
    find: 'if (code === undefined || !OF_AN_ENTRY.has(code)) throw error;',
    replace: 'throw error;',
  },
  {
    name: "another user's record is linked, and never copied",
    file: `${VOLUME}/effects.ts`,
    find: 'const isCopied = member.meetsBundleLimit(error) || isKept(error);',
    replace: 'const isCopied = member.meetsBundleLimit(error);',
  },
  {
    name: 'claim without a look at done/',
    file: `${VOLUME}/claim.ts`,
    find: "if (!(await isSettled(files, layout, name))) return 'ours';",
    replace: "if (name !== '') return 'ours';",
  },
  {
    name: 'sweep left out',
    file: `${VOLUME}/recovery.ts`,
    find: 'await this.#sweep(session, isMyPart, window, report.finished);',
    replace: '',
  },
  {
    name: 'sweep acts on absence',
    file: `${VOLUME}/recovery.ts`,
    find: "return (await isVoid(files, layout, name, staged ?? '')) ? 'over' : 'unseen';",
    replace: "return 'over';",
  },
  {
    name: 'rename over instead of link',
    file: `${VOLUME}/exclusive.ts`,
    find: 'await files.link(existing, name);',
    replace: 'await files.unlink(name).catch(() => undefined); await files.link(existing, name);',
  },
  {
    name: "a claim is released by name, whoever's it is",
    file: `${VOLUME}/claim.ts`,
    find: 'if (!isSure) return removeOurs(files, flag, tokenText, may);',
    replace: 'return files.unlink(flag).then(() => true, () => may());',
  },
  {
    name: 'leases judged by time stamps',
    file: `${VOLUME}/lease-watch.ts`,
    find: 'const after = sight(before, parseCounter(text), began, this.#monotonic());',
    replace: `const stamp = (await files.stat(layout.internal('leases', session)))?.mtime ?? 0;
      const age = Date.parse(this.#member.stamp()) - stamp;
      const after = { ...sight(before, parseCounter(text), began), since: began - age };`,
  },
  {
    name: 'records are not synced before they are committed',
    file: `${VOLUME}/staging.ts`,
    find: 'await files.sync(path);',
    replace: '',
  },
  {
    name: 'successors are not synced before they are unstaged',
    file: `${VOLUME}/commit.ts`,
    find: 'await files.sync(layout.root);\n    if (emits)',
    replace: 'if (emits)',
  },
  {
    name: 'the directory of staged records is not synced',
    file: `${VOLUME}/member.ts`,
    find: "await this.files.sync(this.layout.internal('staging'));",
    replace: '',
  },
  {
    name: 'the sweep publishes what a power cut can undo',
    file: `${VOLUME}/recovery.ts`,
    find: "await files.sync(layout.flags('done'));",
    replace: '',
  },
  {
    name: 'sessions without a boot id',
    file: 'src/store/token.ts',
    find: "return `${worker}.${boot.join('')}`;",
    replace: 'return `${worker}.${boot.length}`;',
  },
  {
    name: 'a phase is tested by one reading of the clock',
    file: 'src/semaphore/cycle.ts',
    find: 'return now.latest < moment.end ? moment : undefined;',
    replace: 'return moment;',
  },
  {
    name: 'slices of rosters that are not sorted',
    file: 'src/semaphore/assignment.ts',
    find: `  const sorted = roster.toSorted(
    (a, b) => compareCodePoints(a.session, b.session) || compareCodePoints(a.name, b.name),
  );`,
    replace: '  const sorted = [...roster];',
  },
  {
    name: 'the heart beats in the main thread',
    file: 'src/sim/process.ts',
    find: 'const silentUntil = this.#stoppedUntil;',
    replace: 'const silentUntil = Math.max(this.#stoppedUntil, this.#blockedUntil);',
  },
  {
    name: 'a tick that hangs does not stop the heart',
    file: `${VOLUME}/pulse.ts`,
    find: "if (began > deadline) return { kind: 'silent' };",
    replace: '',
  },
  {
    name: 'half-written copies are put aside at first sight',
    file: 'src/worker/holding.ts',
    find: 'return at - since >= patience',
    replace: 'return at >= since',
  },
  {
    name: 'successors are published before the commit',
    file: `${VOLUME}/commit.ts`,
    find: "  await link(member, await assign(member, at(steps, 'staged'), window), window);",
    replace: `  for (const step of at(steps, 'staged')) {
    const next = recordOf(step)?.next;
    if (next === undefined || !window.mayStart()) continue;
    await linkOnce(member.files, successorFile(member, step.name), member.layout.state(next.name), next.content);
  }
  await link(member, await assign(member, at(steps, 'staged'), window), window);`,
  },
  {
    name: 'the volume id is not looked at',
    file: `${VOLUME}/session.ts`,
    find: 'if (text === undefined || parseVolumeFile(text)?.id !== this.#volume.id) {',
    replace: 'if (text !== undefined && parseVolumeFile(text)?.id !== this.#volume.id) {',
  },
  {
    name: 'lost attempts are not counted',
    file: `${VOLUME}/recovery.ts`,
    find: 'await this.#countLost(claim);',
    replace: '',
  },
  {
    name: 'commits in any phase',
    file: `${VOLUME}/commit.ts`,
    find: `    if (!window.mayStart()) return;
    const record = recordOf(step);`,
    replace: '    const record = recordOf(step);',
  },
  {
    name: 'an error of link means that the name is taken',
    file: `${VOLUME}/exclusive.ts`,
    find: `    if (there === undefined) throw error;
    return isOurs(there)`,
    replace: '    return isOurs(there)',
  },
  {
    name: 'a look long ago is as good as one just now',
    file: 'src/semaphore/liveness.ts',
    find: 'return sighting.looked - sighting.since >= lease;',
    replace: 'return sighting.looked - sighting.since >= lease / 8;',
  },
  {
    name: 'a broken lease is not noticed',
    file: `${VOLUME}/session.ts`,
    find: "if (heartbeat === undefined || heartbeat.broken) return 'broken';",
    replace: "if (heartbeat !== undefined) return 'alive';",
  },
  {
    name: 'whoever sees nothing once ends, whatever caches say',
    file: 'src/worker/stillness.ts',
    find: 'return isFresh || now - this.#since >= this.#leaseMs;',
    replace: 'return now >= this.#since;',
  },
  {
    name: 'pauses end by the clock alone',
    file: `${VOLUME}/pauses.ts`,
    find: 'this.#seenFor(name, last) >= pauseAfter(last) + this.#cycle;',
    replace: 'this.#seenFor(name, last) > 1e9 * (pauseAfter(last) + this.#cycle);',
  },
  {
    name: 'an archived state is claimed like a new one',
    file: `${VOLUME}/claim.ts`,
    find: 'if (await isArchived(files, layout, name)) return true;',
    replace: '',
  },
  {
    name: 'states are archived however young they are',
    file: `${VOLUME}/archivable.ts`,
    find: 'known >= age && ',
    replace: '',
  },
  {
    name: 'states are archived before their successors are done',
    file: `${VOLUME}/archivable.ts`,
    find: ' && !isOpen',
    replace: '',
  },
  {
    name: 'the flag leaves before the state file',
    file: `${VOLUME}/archiver.ts`,
    find: '      if (content !== undefined) await removeOurs(',
    replace: `      await remove(files, layout.flag('done', name));
      if (content !== undefined) await removeOurs(`,
  },
  {
    name: 'state files leave the root before the archive is on the disk',
    file: `${VOLUME}/archiver.ts`,
    find: 'await files.sync(shard);',
    replace: '',
  },
  {
    name: 'successors are published over what is archived',
    file: `${VOLUME}/commit.ts`,
    find: '  if (await isArchived(files, layout, next.name)) return true;',
    replace: '',
  },
  {
    name: 'the sweep takes the first record of a bundle for the one it looks for',
    file: `${VOLUME}/recovery.ts`,
    find: 'const record = parseCommitRecord(doneText, name);',
    replace:
      'const first = /"state":"([^"]+)"/.exec(doneText)?.[1]; const record = parseCommitRecord(doneText, first ?? name);',
  },
  {
    name: 'what a worker that is stopping does not take wakes it, again and again',
    file: 'src/worker/worker.ts',
    find: 'if (this.#ending !== undefined) return this.#supply.forgetOffers();',
    replace: 'if (this.#ending !== undefined) return;',
  },
  {
    name: 'a bundle is unstaged with the first of its states',
    file: `${VOLUME}/commit.ts`,
    find: 'if (waiting === undefined || waiting.size === 0) {',
    replace: '{',
  },
  {
    name: 'a bundle is swept away with what is not seen of it',
    file: `${VOLUME}/recovery.ts`,
    find: 'if (names.length > 0 && left === 0)',
    replace: 'if (names.length > 0)',
  },
  {
    name: 'a bundle is no flag of any of its records',
    file: 'src/machine/record.ts',
    find: 'return `\\n${content}`.includes(`\\n${formatRecord(record)}`);',
    replace: 'return content === formatRecord(record);',
  },
  {
    name: 'torn successors count as somebody else’s',
    file: `${VOLUME}/torn.ts`,
    find: 'if (!isTorn(there, next.content)) return false;',
    replace: 'if (isTorn(there, next.content)) return false;',
  },
  {
    name: 'torn successors are archived as they are',
    file: `${VOLUME}/archiver.ts`,
    find: 'if (torn === undefined) return text;',
    replace: 'return text;',
  },
  {
    name: 'events are applied without an outcome',
    file: `${VOLUME}/commit.ts`,
    find: 'const outcome = await assignEvents(member, record, step.staged!, window.mayStart);',
    replace: "const outcome = assignEvents.length > 0 ? 'ours' : 'taken';",
  },
  {
    name: 'outcomes are not synced before the commit',
    file: `${VOLUME}/commit.ts`,
    find: 'const synced = await attempt(assigned, () => member.files.sync(member.layout.outcomes));',
    replace: 'const synced = true;',
  },
  {
    name: 'an event counts as applied before its state is committed',
    file: `${VOLUME}/outcomes.ts`,
    find: "if (done === undefined) return { kind: 'assigned', state };",
    replace:
      "if (done === undefined) return { kind: 'over', outcome: appliedIn(recordOfEvent(text, id)!, id)! };",
  },
  {
    name: 'an event that another state was to have is nobody’s',
    file: `${VOLUME}/effects.ts`,
    find: 'generation = standing.generation;',
    replace: "return 'taken';",
  },
  {
    name: 'an event that another state is to have is anybody’s',
    file: `${VOLUME}/effects.ts`,
    find: "return standing.state === record.state ? 'ours' : 'taken';",
    replace: "return 'ours';",
  },
  {
    name: 'events that are over are taken away before that is on the disk',
    file: `${VOLUME}/effects.ts`,
    find: "await files.sync(layout.flags('done'));",
    replace: '',
  },
  {
    name: 'the sweep leaves out the events that a step causes',
    file: `${VOLUME}/commit.ts`,
    find: 'if (!(await emitEvents(member, record, source, window.mayLand))) return false;',
    replace: '',
  },
  {
    name: 'events that a step causes are not synced before it is unstaged',
    file: `${VOLUME}/commit.ts`,
    find: 'if (emits) await files.sync(layout.events);',
    replace: '',
  },
  {
    name: 'a dropped file goes before the event that it is is on the disk',
    file: `${VOLUME}/dropped.ts`,
    find: 'await files.sync(layout.events);',
    replace: '',
  },
  {
    name: 'a dropped file is another event each time it is looked at',
    file: 'src/machine/dropped.ts',
    find: '`${fileName}\\0${content}`',
    replace: '`${fileName}\\0${content}${Math.random()}`',
  },
  {
    name: 'a dropped file that does not parse is taken away',
    file: `${VOLUME}/dropped.ts`,
    find: "if (typeof dropped === 'string') return { content, reason: dropped };",
    replace: "if (typeof dropped === 'string') return void (await remove(files, path));",
  },
  {
    name: 'what waits is not woken by an event',
    file: `${VOLUME}/snapshot.ts`,
    find: 'if (waiting.has(name) && !inbox.due.has(instance)) continue;',
    replace: 'if (waiting.has(name)) continue;',
  },
  {
    name: 'the sweep begins no branches',
    file: `${VOLUME}/commit.ts`,
    find: 'for (const follower of followersOf(record)) {',
    replace: 'for (const follower of record.next === undefined ? [] : [record.next]) {',
  },
  {
    name: 'a join goes on before the last branch',
    file: 'src/machine/join.ts',
    find: '.some(({ ended }) => ended === undefined);',
    replace: '.filter(({ ended }) => ended === undefined).length > 1;',
  },
  {
    name: 'a branch that ends tells nobody',
    file: 'src/machine/sequel.ts',
    find: 'planned.push(...told);',
    replace: '',
  },
  {
    name: 'what a branch ends with is forgotten',
    file: 'src/machine/arrivals.ts',
    find: ', ...(details !== undefined && { output: details })',
    replace: '',
  },
  {
    name: 'a step is archived before the branches that it has begun are done',
    file: `${VOLUME}/archiver.ts`,
    find: 'for (const one of followersOf(record)) {',
    replace: 'for (const one of record.next === undefined ? [] : [record.next]) {',
  },
  {
    name: 'torn branches count as somebody else’s',
    file: `${VOLUME}/torn.ts`,
    find: 'const origin = originName(name);',
    replace: 'const origin = /state-/.test(name) ? originName(name) : undefined;',
  },
];
