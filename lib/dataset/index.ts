export { compareCodePoints } from '../code-points.js';
export { type DownloadedDataset, type DownloadOptions, downloadDataset } from './download.js';
export { type FetchImageOptions, fetchImage, isUrl } from './fetch.js';
export { readFileList } from './file-list.js';
export {
  findLabels,
  folderLabel,
  type Labels,
  type ReadLabelsOptions,
  readLabels,
} from './labels.js';
export { IMAGE_EXTENSIONS, type ListOptions, listImages } from './listing.js';
export { findModel } from './model.js';
export { PythonRandom } from './random.js';
export {
  calibrationSizeWarning,
  DEFAULT_SEED,
  type SampleOptions,
  SMALL_CALIBRATION_SET,
  sampleFiles,
} from './sampling.js';
