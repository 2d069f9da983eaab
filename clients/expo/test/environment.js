// jest-expo's global fetch has nothing native below it: Node's own takes its place.
const Environment = require("@react-native/jest-preset/jest/react-native-env.js");
module.exports = class extends Environment {
  constructor(...given) {
    super(...given);
    const network = { fetch, AbortController, AbortSignal, TextDecoder };
    this.global.network = network;
  }
};
