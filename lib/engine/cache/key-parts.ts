import { defined } from '../../defined.js';
import { allTensors, externalDataDigest, type OnnxModel } from '../../onnx/index.js';
import { queryDriver, type UsableLibrary } from '../../runtime/index.js';
import { CACHE_FORMAT, type CacheKeyParts, keyOptions, NotKeyable } from './key.js';

/** What decides a plan. */
export interface KeySource {
  /** The model, its external data still in its files. */
  model: OnnxModel;
  /** The library that builds. */
  library: UsableLibrary;
  /** Everything that the native module is given. */
  native: Readonly<Record<string, unknown>>;
  /** Number of the GPU that is built for. */
  deviceId: number;
  /** The calibrator that feeds the build; its `id` names the data. Absent without one. */
  calibrator?: { id?: string | undefined };
}

/**
 * What the native module is given and is no part of the key as it is: where things lie rather than
 * what they are, and what stands in the key in another form.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'inferLibrary',
  'parserLibrary',
  'modelPath',
  'modelBytes',
  // Grows with every build, and makes builds faster, not others.
  'timingCache',
  'moreTimings',
  // The key has what GPU it is.
  'deviceId',
]);

/**
 * Everything that decides a plan. Options are taken from what the native module is given, whatever
 * their names, so that a new one is part of the key from its first day on.
 *
 * @param source The build.
 * @param signal Stops the reading of external data.
 * @throws NotKeyable when something about the build has no name.
 */
export async function keyPartsOf(source: KeySource, signal?: AbortSignal): Promise<CacheKeyParts> {
  const { model, library, native, deviceId, calibrator } = source;
  if (calibrator !== undefined && (calibrator.id === undefined || calibrator.id === '')) {
    throw new NotKeyable(
      'its calibrator has no id',
      'Give the calibrator an id that names its data: equal for equal images, recipe and order.',
    );
  }
  const leftOut = calibrator === undefined ? LEFT_OUT : new Set([...LEFT_OUT, 'calibrator']);
  const options = keyOptions(native, leftOut);
  const externalData = await externalDataDigest(allTensors(model.proto), model.folder, signal);
  const number = native.deviceId ?? deviceId;
  const device =
    native.computeCapabilities === undefined
      ? queryDriver().devices.find(({ index }) => index === number)
      : undefined;
  return {
    format: CACHE_FORMAT,
    model: { sha256: model.sha256, ...defined({ externalData }) },
    library: { family: library.family, version: library.version },
    ...(device === undefined
      ? {}
      : { gpu: { name: device.name, computeCapability: device.computeCapability } }),
    ...defined({ calibration: calibrator?.id }),
    options,
  };
}
