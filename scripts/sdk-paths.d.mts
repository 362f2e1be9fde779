// Types of sdk-paths.mjs, for the tests.
export const ROOT: string;
export const FAMILIES: readonly string[];
export function headersFolder(family: string): string;
export function librariesFolder(family: string): string;
export function exists(path: string): Promise<boolean>;
export function familyOfHeaders(folder: string): Promise<string | undefined>;
export function findHeaders(env?: NodeJS.ProcessEnv): Promise<Map<string, string>>;
