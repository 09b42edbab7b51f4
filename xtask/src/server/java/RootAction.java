import java.io.IOException;
import java.lang.reflect.Field;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.http.AbstractHttpServerTransport;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.Node;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * {@code GET /} of Elasticsearch 8 and 9, by which clients detect the version.
 *
 * <p>The server's own answer lives in the module rest-root, which is not on Maven Central. This one
 * gives the same fields in the same order.
 */
public final class RootAction implements RestHandler {
    private final ClusterService cluster;

    private RootAction(ClusterService cluster) {
        this.cluster = cluster;
    }

    public static void register(Node node) throws ReflectiveOperationException {
        // The injector does not know the REST controller; the HTTP transport keeps it to itself.
        HttpServerTransport transport = node.injector().getInstance(HttpServerTransport.class);
        Field dispatcher = AbstractHttpServerTransport.class.getDeclaredField("dispatcher");
        dispatcher.setAccessible(true);
        RestController controller = (RestController) dispatcher.get(transport);
        RestHandler action = new RootAction(node.injector().getInstance(ClusterService.class));
        for (RestRequest.Method method : new RestRequest.Method[] {RestRequest.Method.GET, RestRequest.Method.HEAD}) {
            controller.registerHandler(new Route(method, "/"), action);
        }
    }

    @Override
    public void handleRequest(RestRequest request, RestChannel channel, NodeClient client) throws IOException {
        Build build = Build.current();
        XContentBuilder answer = channel.newBuilder().startObject();
        answer.field("name", cluster.getNodeName());
        answer.field("cluster_name", cluster.getClusterName().value());
        answer.field("cluster_uuid", cluster.state().metadata().clusterUUID());
        answer.startObject("version")
            .field("number", build.qualifiedVersion())
            .field("build_flavor", build.flavor())
            .field("build_type", build.type().displayName())
            .field("build_hash", build.hash())
            .field("build_date", build.date())
            .field("build_snapshot", build.isSnapshot())
            .field("lucene_version", Version.LATEST.toString())
            .field("minimum_wire_compatibility_version", build.minWireCompatVersion())
            .field("minimum_index_compatibility_version", build.minIndexCompatVersion())
            .endObject();
        answer.field("tagline", "You Know, for Search").endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, answer));
    }
}
