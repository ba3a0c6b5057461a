/** The only way time comes in: handed over by the composition root, fixed in tests. */
export type Clock = () => Date
