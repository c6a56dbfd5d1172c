/** Counts of states, as `status` prints them: none of any kind. */
export const NO_COUNTS = {
  available: 0,
  delayed: 0,
  inProgress: 0,
  waiting: 0,
  events: 0,
  done: 0,
  archived: 0,
  failed: 0,
} as const;
