for (const [name, value] of Object.entries(globalThis.network)) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
jest.mock("react-native-worklets", () => jest.requireActual("react-native-worklets/src/mock"));
jest.mock("react-native-safe-area-context", () =>
  jest.requireActual("react-native-safe-area-context/jest/mock").default,
);
