for (const [name, value] of Object.entries(globalThis.network)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
