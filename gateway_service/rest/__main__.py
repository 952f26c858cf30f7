from gateway_service.rest.app import SERVICE
from runtime.process import run

run(SERVICE)
