// The client is used from its source next door; in an app of your own it is an installed package.
const { getDefaultConfig } = require("expo/metro-config");
const path = require("node:path");

const client = path.resolve(__dirname, "../typescript");
const config = getDefaultConfig(__dirname);
config.watchFolders = [client];
config.resolver.resolveRequest = (context, name, platform) =>
  name === "clip-ranker-client"
    ? { type: "sourceFile", filePath: path.join(client, "src/index.ts") }
    : context.resolveRequest(context, name, platform);

module.exports = config;
