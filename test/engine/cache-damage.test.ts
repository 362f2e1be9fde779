// What is in a cache folder may be anything: builds go on, and the folder can be looked into.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildEngine, explainCache, listCache } from '../../lib/engine/index.js';
import { convModel } from './models.js';

const root = mkdtempSync(join(tmpdir(), 'trtn-damage-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('a manifest in the cache', () => {
  it('with other parts of its key than it had is not used, and can be explained', async () => {
    const folder = join(root, 'engines');
    const model = join(root, 'conv.onnx');
    writeFileSync(model, convModel());
    const options = { computeCapabilities: [80], cache: folder };
    const { planPath } = await buildEngine(model, options);
    const file = `${planPath}.json`;
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    for (const keyParts of [
      { ...manifest.keyParts, model: undefined },
      { ...manifest.keyParts, format: 2 },
      null,
      'parts',
    ]) {
      writeFileSync(file, JSON.stringify({ ...manifest, keyParts }));
      expect(await explainCache(model, options)).toMatchObject({ hit: false, near: [] });
      const [entry] = (await listCache({ folder })).entries;
      expect(entry!.manifest).toBeUndefined();
      expect((await buildEngine(model, options)).cache).toMatchObject({
        hit: false,
        reason: 'the manifest of the cached plan is not one of this cache',
      });
    }
  });
});
