/** Makes voice notes (Ogg with Opus in one channel) of other sounds. Adapter: src/adapters/ffmpeg, where the program is installed. */
export type VoiceConverter = {
  /** Asked once; a program that is installed later is seen after a restart. */
  readonly available: () => Promise<boolean>
  /** Undefined when it is no sound that can be converted, or too long a one. */
  readonly convert: (sound: AsyncIterable<Uint8Array>, signal?: AbortSignal) => Promise<Buffer | undefined>
}
