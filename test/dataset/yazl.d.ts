declare module 'yazl' {
  /** What the tests use of it; the package carries no types. */
  export class ZipFile {
    readonly outputStream: NodeJS.ReadableStream;
    addBuffer(data: Buffer, name: string): void;
    addEmptyDirectory(name: string): void;
    end(): void;
  }
}
