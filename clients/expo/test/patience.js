const { configure } = require("@testing-library/react-native");

configure({ asyncUtilTimeout: 60_000 });
