// How far `run` is from the native loop of the same kind, and what a bare round trip costs, by turns in
// one session: a machine that slows down does so for all of them.
import { feedsOf, median, pinnedFeeds, pinnedOutputs, summary, timesOf } from './support.mjs';

const p50 = (times) => summary(times).p50;
const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Where the time of a run goes: to the worker, on it, and back to the promise; medians in µs. */
async function stages(session, feeds, outputs, seconds) {
  const parts = { handOver: [], worker: [], back: [] };
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    const before = now();
    await session.run(feeds, outputs);
    const after = now();
    const [taken, done] = session.lastTimes();
    parts.handOver.push((taken - before) * 1000);
    parts.worker.push((done - taken) * 1000);
    parts.back.push((after - done) * 1000);
  }
  return Object.fromEntries(Object.entries(parts).map(([name, times]) => [name, median(times)]));
}

async function round(session, { feeds, outputs }, { seconds, spin }) {
  const loop = p50((await session.loop(feeds, { duration: seconds, spin, warmUp: 0.1 })).host);
  const ping = p50(await timesOf(() => session.ping(), seconds / 2));
  const run = p50(await timesOf(() => session.run(feeds, outputs), seconds));
  const holdMicroseconds = Math.round(loop);
  const held = p50(await timesOf(() => session.ping({ holdMicroseconds }), seconds));
  const runSync = p50(await timesOf(() => session.runSync(feeds, outputs), seconds, true));
  return { loop, run, runSync, ping, heldPing: held - holdMicroseconds };
}

/**
 * Medians over some rounds, in µs, for tensors in ordinary memory and in page-locked memory.
 *
 * `heldPing` is the bare round trip whose worker holds the ping for as long as the loop's p50, less that
 * time: the event loop then sleeps as long as it does for a run.
 */
export async function latency(session, { rounds, seconds, spin }) {
  const kinds = {
    memory: { feeds: feedsOf(session, 1) },
    pinned: { feeds: pinnedFeeds(session, 1), outputs: pinnedOutputs(session) },
  };
  const result = {};
  for (const [kind, tensors] of Object.entries(kinds)) {
    const seen = [];
    for (let i = 0; i < rounds; i += 1) {
      seen.push(await round(session, tensors, { seconds, spin }));
    }
    const of = (key) => median(seen.map((entry) => entry[key]));
    const runMinusLoop = median(seen.map(({ run, loop }) => run - loop));
    const ratio = (trip) => Math.round((runMinusLoop / trip) * 100) / 100;
    result[kind] = {
      loop: of('loop'),
      run: of('run'),
      runSync: of('runSync'),
      ping: of('ping'),
      heldPing: of('heldPing'),
      runMinusLoop,
      runMinusLoopOverPing: ratio(of('ping')),
      runMinusLoopOverHeldPing: ratio(of('heldPing')),
      runSyncOverLoop: Math.round((of('runSync') / of('loop')) * 1000) / 1000,
      stages: await stages(session, tensors.feeds, tensors.outputs, seconds),
    };
  }
  return result;
}
