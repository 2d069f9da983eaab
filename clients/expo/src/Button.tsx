import { Pressable, StyleSheet, Text } from "react-native";

export function Button({ title, onPress }: { title: string; onPress: () => void }) {
  return (
    <Pressable accessibilityRole="button" style={styles.button} onPress={onPress}>
      <Text style={styles.label}>{title}</Text>
    </Pressable>
  );
}

const styles = StyleSheet.create({
  button: { alignItems: "center", padding: 14, borderRadius: 10, backgroundColor: "#264a73" },
  label: { color: "#fff", fontWeight: "600" },
});
