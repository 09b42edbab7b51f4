import java.util.Collection;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;

/**
 * Opens the protected constructor that takes plugins from the class path.
 *
 * <p>For Elasticsearch 6 and 7. OpenSearch 1 has the same under its own package, which fetching
 * puts in the imports.
 */
public final class BareNode extends Node {
    public BareNode(Environment environment, Collection<Class<? extends Plugin>> plugins) {
        super(environment, plugins, true);
    }

    // Elasticsearch 6 declares it abstract and 7 has dropped it, so it cannot carry @Override.
    protected void registerDerivedNodeNameWithLogger(String name) {
    }
}
