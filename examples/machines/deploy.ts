/**
 * A machine as a module: build, then verify until it answers, then done.
 *
 *   flockwork worker --machines examples/machines
 *
 * In your own project, import from 'flockwork'.
 */
import { done, FatalError, machine, next, type Machine } from '../../src/index.ts';

interface Deploy {
  service: string;
  build?: string;
}

const deploy: Machine = machine({
  name: 'deploy',
  activities: {
    build: ({ payload, idempotencyKey }) => {
      const { service } = payload as Deploy;
      if (!service) throw new FatalError('deploy needs a payload {"service": "…"}');
      // The same for every attempt: a build server that receives it twice builds once.
      return next('verify', { service, build: idempotencyKey });
    },
    verify: {
      tick: ({ payload, log }) => {
        const { service, build } = payload as Deploy;
        log('verified', { service, build });
        return done({ service, build: build ?? null });
      },
      timeout: '30s',
      retry: { maximumAttempts: 10, initialInterval: '1s', maximumInterval: '30s' },
    },
  },
});

export default deploy;
