/** `<tenant>/<file>/<part>`: nothing in it that a path or an address could take for something else. */
export const isKey = (key: string): boolean => /^[A-Za-z0-9][A-Za-z0-9-]*(?:\/[A-Za-z0-9][A-Za-z0-9-]*){0,7}$/.test(key)
