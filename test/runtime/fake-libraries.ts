import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A shared object at NVIDIA's border: it answers `getInferLibVersion()`, or has no such function when
 * `version` is undefined.
 */
export function fakeLibrary(folder: string, name: string, version?: number): string {
  mkdirSync(folder, { recursive: true });
  const source = join(folder, `${name}.c`);
  const path = join(folder, name);
  writeFileSync(
    source,
    version === undefined
      ? 'int something_else;\n'
      : `int getInferLibVersion(void) { return ${version}; }\n`,
  );
  execFileSync('cc', ['-shared', '-fPIC', '-o', path, source]);
  return path;
}
