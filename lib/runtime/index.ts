export type {
  BaseBinding,
  CalibratorEvent,
  CountJob,
  DeviceInfo,
  DriverInfo,
  Family,
  FamilyBinding,
  LayerDescription,
  LogLine,
  NativeBuildOptions,
  NativeCalibration,
  NativeCalibrator,
  NativeCalibratorCall,
  NativeCall,
  NativeFailure,
  NativeInputRange,
  NativeOutcome,
  NativePhase,
  NativeRangeReport,
  NetworkDescription,
  ParserError,
  PlanarOptions,
  ResampleAxis,
  ResamplePlan,
  TensorDescription,
} from './binding.js';
export { FAMILIES } from './binding.js';
export { type FoundLibrary, findLibraries, type LibrarySearch } from './discovery.js';
export { type DoctorReport, doctor, type ExaminedDevice, type Lack } from './doctor.js';
export { type LibraryFolder, type LibrarySearchOptions, libraryFolders } from './folders.js';
export {
  chooseLibrary,
  chooseRuntime,
  type LibraryOptions,
  type RuntimeLibrary,
  type UsableLibrary,
} from './library.js';
export {
  baseBinding,
  MODULE_FOLDERS,
  type ModuleName,
  type ModuleStatus,
  moduleStatus,
  PACKAGE_ROOT,
  queryDriver,
  requireBase,
  requireFamily,
} from './modules.js';
export { threadPoolSize, threadPoolWarning } from './thread-pool.js';
export { cudaVersionText, familyOfVersion, familyTitle, versionText } from './versions.js';
