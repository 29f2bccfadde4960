import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One node on loopback, for tests: OpenSearchNode DIRECTORY PORT. Ends when its input ends. */
public final class OpenSearchNode extends Node {
  private OpenSearchNode(Environment environment) {
    super(environment, List.of(Netty4Plugin.class), false);
  }

  public static void main(String[] arguments) throws Exception {
    Settings settings =
        Settings.builder()
            .put("path.home", Path.of(arguments[0]).toString())
            .put("node.name", "test")
            .put("discovery.type", "single-node")
            .put("http.host", "127.0.0.1")
            .put("http.port", arguments[1])
            .put("transport.host", "127.0.0.1")
            .put("transport.port", "0")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    OpenSearchNode node =
        new OpenSearchNode(
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "test"));
    node.start();
    while (System.in.read() >= 0) {}
    Runtime.getRuntime().halt(0); // nothing that a test node has written is wanted afterwards
  }
}
